-- A star that leaves out the wrong columns.
-- caught_by: proof
-- says: shows shop.customers.phone

select * exclude (email, full_name)
from {{ ref('dim_customers') }}
