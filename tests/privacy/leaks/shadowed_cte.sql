-- A CTE is named like the harmless model that it is not.
-- caught_by: proof
-- says: shows shop.customers.email

with orders as (
    select order_id, status from {{ ref('fct_orders') }}
),

harmless as (
    with orders as (select email as status from {{ ref('dim_customers') }})

    select status from orders
)

select status as k from harmless
