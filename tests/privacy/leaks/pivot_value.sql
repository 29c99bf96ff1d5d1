-- A pivot's cells hold the value.
-- caught_by: proof
-- says: shows shop.customers.email

select us as k
from (pivot (select country, marketing_opt_in, email from {{ ref('dim_customers') }}) on country in ('United States' as us) using max(email))
