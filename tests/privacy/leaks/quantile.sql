-- A median of birthdays is somebody's birthday.
-- caught_by: proof
-- says: shows shop.customers.birth_date

select country as k, quantile_disc(birth_date, 0.5) as typical
from {{ ref('dim_customers') }}
group by country
