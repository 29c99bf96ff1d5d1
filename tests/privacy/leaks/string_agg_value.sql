-- All values in one text.
-- caught_by: proof
-- says: shows shop.customers.full_name

select string_agg(full_name, ', ' order by country) as k
from {{ ref('dim_customers') }}
