-- A lambda captures the value of its row.
-- caught_by: proof
-- says: shows shop.customers.email

select list_transform(['x'], lambda x: x || email)[1] as k
from {{ ref('dim_customers') }}
