{{ config(
    materialized='keyed',
    unique_key='customer_key',
    meta={'changes': {
        'by': 'customer_id',
        'key': pseudonym('customer_id', 'customer', 'cus'),
        'inputs': {
            'dim_customers': 'customer_id',
            'customer_orders': 'customer_id',
        },
    }},
) }}

with customers as (

    select
        customer_id,
        full_name,
        email,
        phone,
        city,
        country,
        birth_date,
        marketing_opt_in,
        created_at
    from {{ ref('dim_customers') }}

),

orders_per_customer as (

    select
        customer_id,
        order_count,
        revenue,
        first_order_at,
        last_order_at
    from {{ ref('customer_orders') }}

)

select
    {{ pseudonym('customers.customer_id', 'customer', 'cus') }} as customer_key,
    {{ email_key('customers.email') }} as email_key,
    {{ email_domain('customers.email') }} as email_domain,
    {{ mask_phone('customers.phone') }} as phone_masked,
    {{ mask_name('customers.full_name') }} as name_masked,
    {{ address_city('customers.city') }} as city,
    customers.country,
    {{ age_band('customers.birth_date') }} as age_band,
    customers.marketing_opt_in,
    coalesce(orders_per_customer.order_count, 0) as order_count,
    coalesce(
        {{ dbt.safe_cast('orders_per_customer.revenue', 'decimal(18, 2)') }}, 0
    ) as lifetime_value,
    orders_per_customer.first_order_at,
    orders_per_customer.last_order_at,
    customers.created_at
from customers
left join orders_per_customer
    on customers.customer_id = orders_per_customer.customer_id
