-- A lateral subquery looks the value up.
-- caught_by: proof
-- says: shows shop.customers.phone

select orders.order_id as k, found.p
from {{ ref('fct_orders') }} as orders,
    lateral (select c.phone as p from {{ ref('dim_customers') }} as c where c.customer_id = orders.customer_id) as found
