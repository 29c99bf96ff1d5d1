with customers as (

    select
        customer_id,
        city
    from {{ ref('dim_customers') }}

),

orders as (

    select
        customer_id,
        total
    from {{ ref('fct_orders') }}

)

select
    {{ address_city('customers.city') }} as city,
    count(distinct customers.customer_id) as customer_count,
    count(orders.customer_id) as order_count
from customers
left join orders
    on customers.customer_id = orders.customer_id
group by {{ address_city('customers.city') }}
{{ min_group('customers.customer_id') }}
