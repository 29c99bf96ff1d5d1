with renamed as (

    select
        id as order_id,
        customer_id,
        {{ code_name('status') }} as status,
        {{ code_name('channel') }} as channel,
        upper({{ clean_text('currency') }}) as currency,
        {{ as_json('items') }} as items,
        placed_at,
        updated_at,
        _deleted_at as deleted_at,
        row_number() over (
            partition by id order by updated_at desc nulls last, _loaded_at desc
        ) as recency
    from {{ source('shop', 'orders') }}

)

select
    order_id,
    customer_id,
    status,
    channel,
    currency,
    items,
    placed_at,
    updated_at
from renamed
where recency = 1 and deleted_at is null
