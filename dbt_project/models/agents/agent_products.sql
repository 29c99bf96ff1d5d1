select
    product_id,
    sku,
    title,
    description,
    category,
    price,
    currency,
    stock,
    is_in_stock,
    updated_at
from {{ ref('dim_products') }}
