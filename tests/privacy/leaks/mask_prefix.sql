-- The value as the readable prefix of a pseudonym.
-- caught_by: proof
-- says: past privacy.pseudonym

select privacy.pseudonym(customer_id, 'customer', full_name) as k
from {{ ref('dim_customers') }}
