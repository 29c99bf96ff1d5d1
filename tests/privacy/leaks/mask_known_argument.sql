-- The value as what a mask should hide, not as what it masks.
-- caught_by: proof
-- says: past privacy.redact

select {{ redact('country', {'name': ['birth_date']}) }} as k
from {{ ref('dim_customers') }}
