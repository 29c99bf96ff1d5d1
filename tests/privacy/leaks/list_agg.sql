-- All values of a group as a list.
-- caught_by: proof
-- says: shows shop.customers.email

select country as k, list(email) as emails
from {{ ref('dim_customers') }}
group by country
