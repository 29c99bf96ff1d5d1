-- A flag that compares.
-- caught_by: proof
-- says: shows shop.customers.email

select country as k, email like 'a%' as is_a
from {{ ref('dim_customers') }}
