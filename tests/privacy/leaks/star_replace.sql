-- A star that replaces a public column by a personal one.
-- caught_by: proof
-- says: shows shop.customers.email

select * replace (email as country)
from (select country, (select max(email) from {{ ref('dim_customers') }}) as email from {{ ref('dim_customers') }})
