-- A name is no free text, so redacting it hides nothing of it.
-- caught_by: proof
-- says: past privacy.redact

select {{ redact('full_name') }} as k
from {{ ref('dim_customers') }}
