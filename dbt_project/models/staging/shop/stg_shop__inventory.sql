with renamed as (

    select
        product_id,
        {{ clean_text('warehouse') }} as warehouse,
        {{ dbt.safe_cast('quantity', 'bigint') }} as quantity,
        updated_at,
        _deleted_at as deleted_at,
        row_number() over (
            partition by product_id, warehouse order by updated_at desc nulls last, _loaded_at desc
        ) as recency
    from {{ source('shop', 'inventory') }}

)

select
    product_id,
    warehouse,
    quantity,
    updated_at
from renamed
where recency = 1 and deleted_at is null
