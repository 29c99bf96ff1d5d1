-- A whole row becomes JSON.
-- caught_by: proof
-- says: shows shop.customers.email

select to_json(customers) as k
from {{ ref('dim_customers') }} as customers
