-- A correlated subquery looks the value up.
-- caught_by: proof
-- says: shows shop.customers.email

select
    orders.order_id as k,
    (select c.email from {{ ref('dim_customers') }} as c where c.customer_id = orders.customer_id) as note
from {{ ref('fct_orders') }} as orders
