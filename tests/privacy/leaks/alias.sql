-- A personal column under an innocent name.
-- caught_by: proof
-- says: shows shop.customers.email

select country as k, email as note
from {{ ref('dim_customers') }}
