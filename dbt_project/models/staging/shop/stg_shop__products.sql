with renamed as (

    select
        id as product_id,
        {{ clean_text('sku') }} as sku,
        {{ clean_text('slug') }} as slug,
        {{ clean_text('description') }} as description,
        lower({{ clean_text('category') }}) as category,
        upper({{ clean_text('currency') }}) as currency,
        {{ dbt.safe_cast('price_cents', 'bigint') }} as price_cents,
        updated_at,
        _deleted_at as deleted_at,
        row_number() over (
            partition by id order by updated_at desc nulls last, _loaded_at desc
        ) as recency
    from {{ source('shop', 'products') }}

)

select
    product_id,
    sku,
    slug,
    description,
    category,
    currency,
    price_cents,
    updated_at
from renamed
where recency = 1 and deleted_at is null
