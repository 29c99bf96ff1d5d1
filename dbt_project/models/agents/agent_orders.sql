{{ config(
    materialized='keyed',
    unique_key='order_id',
    meta={'changes': {
        'inputs': {'fct_orders': 'order_id'},
    }},
) }}

select
    order_id,
    {{ pseudonym('customer_id', 'customer', 'cus') }} as customer_key,
    status,
    channel,
    currency,
    total,
    item_count,
    product_ids,
    placed_at,
    updated_at
from {{ ref('fct_orders') }}
