-- The value in pieces.
-- caught_by: proof
-- says: shows shop.customers.phone

select country as k, left(phone, 4) as a, substr(phone, 5, 4) as b, right(phone, 4) as c
from {{ ref('dim_customers') }}
