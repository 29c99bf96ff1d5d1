with renamed as (

    select
        path,
        {{ clean_text('content') }} as content,
        content_hash,
        size_bytes,
        modified_at,
        _deleted_at as deleted_at,
        row_number() over (
            partition by path order by modified_at desc nulls last, _loaded_at desc
        ) as recency
    from {{ source('runbooks', 'documents') }}

)

select
    path,
    content,
    content_hash,
    size_bytes,
    modified_at
from renamed
where recency = 1 and deleted_at is null
