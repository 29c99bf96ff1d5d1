{{ config(
    materialized='keyed',
    unique_key='order_id',
    meta={'changes': {
        'inputs': {'stg_shop__orders': 'order_id'},
    }},
) }}

with orders as (

    select
        order_id,
        customer_id,
        status,
        channel,
        currency,
        items,
        placed_at,
        updated_at
    from {{ ref('stg_shop__orders') }}

),

order_lines as (

    select
        orders.order_id,
        item.position,
        {{ json_field('item.element', 'product_id', 'bigint') }} as product_id,
        {{ json_field('item.element', 'quantity', 'integer') }} as quantity,
        {{ json_field('item.element', 'unit_price_cents', 'integer') }} as unit_price_cents
    from orders
    {{ cross_join_json_array('orders.items', 'item') }}

),

order_totals as (

    select
        order_id,
        sum(quantity) as item_count,
        sum(cast(quantity as bigint) * unit_price_cents) as total_cents,
        '[' || {{ dbt.listagg(
            measure='cast(product_id as varchar)',
            delimiter_text="','",
            order_by_clause='order by position'
        ) }} || ']' as product_ids
    from order_lines
    group by order_id

)

select
    orders.order_id,
    orders.customer_id,
    orders.status,
    orders.channel,
    orders.currency,
    coalesce(order_totals.product_ids, '[]') as product_ids,
    coalesce({{ cents_to_currency('order_totals.total_cents') }}, 0) as total,
    cast(coalesce(order_totals.item_count, 0) as bigint) as item_count,
    orders.status not in ('cancelled', 'refunded') as is_revenue,
    orders.placed_at,
    orders.updated_at
from orders
left join order_totals
    on orders.order_id = order_totals.order_id
