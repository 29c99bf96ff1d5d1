-- The value is a field of a JSON object.
-- caught_by: proof
-- says: shows shop.customers.email

select json_object('country', country, 'info', email) as k
from {{ ref('dim_customers') }}
