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
