select
    path as document_id,
    coalesce(
        {{ markdown_title('content') }},
        {{ slug_to_title(file_stem('path')) }},
        path
    ) as title,
    case
        when path like '%/%' then {{ dbt.split_part('path', "'/'", 1) }}
        else 'general'
    end as category,
    content,
    modified_at
from {{ ref('stg_runbooks__documents') }}
