-- The value in the last branch of three.
-- caught_by: proof
-- says: shows shop.customers.email

select case when country = 'x' then 'x' when country = 'y' then case when marketing_opt_in then 'z' else email end end as k
from {{ ref('dim_customers') }}
