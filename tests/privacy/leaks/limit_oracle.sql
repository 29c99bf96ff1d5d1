-- The number of rows tells a value.
-- caught_by: proof
-- says: uses personal columns indirectly

select order_id as k
from {{ ref('fct_orders') }}
limit (select length(max(full_name)) from {{ ref('dim_customers') }})
