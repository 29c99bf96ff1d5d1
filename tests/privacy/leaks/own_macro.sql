-- A function that may read any table by itself.
-- caught_by: proof
-- says: cannot be followed

select somebody_of(customer_id) as k
from {{ ref('dim_customers') }}
