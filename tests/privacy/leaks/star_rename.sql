-- A star that renames.
-- caught_by: proof
-- says: shows shop.customers.email

select * rename (email as channel)
from (select country, email from {{ ref('dim_customers') }})
