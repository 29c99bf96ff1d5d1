-- A hash without a key.
-- caught_by: proof
-- says: shows shop.customers.email

select md5(lower(email)) as k
from {{ ref('dim_customers') }}
