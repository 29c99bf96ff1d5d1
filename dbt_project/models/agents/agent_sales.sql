{{ config(
    materialized='keyed',
    unique_key='segment',
) }}

with customers as (

    select
        customer_id,
        coalesce(country, 'unknown') as country,
        coalesce({{ age_band('birth_date') }}, 'unknown') as age_band
    from {{ ref('dim_customers') }}

),

orders_per_customer as (

    select
        customer_id,
        revenue_order_count,
        revenue
    from {{ ref('customer_orders') }}

)

select
    customers.country || ', ' || customers.age_band as segment,
    customers.country,
    customers.age_band,
    count(distinct customers.customer_id) as customer_count,
    {{ dbt.safe_cast('coalesce(sum(orders_per_customer.revenue_order_count), 0)', 'bigint') }}
        as order_count,
    {{ dbt.safe_cast('coalesce(sum(orders_per_customer.revenue), 0)', 'decimal(18, 2)') }}
        as revenue
from customers
left join orders_per_customer
    on customers.customer_id = orders_per_customer.customer_id
group by customers.country, customers.age_band
{{ min_group('customers.customer_id') }}
