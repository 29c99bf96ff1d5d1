{{ config(
    materialized='keyed',
    unique_key='comment_id',
    meta={'changes': {
        'by': 'id',
        'inputs': {'helpdesk.comments': 'id'},
    }},
) }}

with renamed as (

    select
        id as comment_id,
        ticket_id,
        {{ clean_text('author_name') }} as author_name,
        {{ code_name('author_role') }} as author_role,
        {{ clean_text('body') }} as body,
        created_at,
        updated_at,
        _deleted_at as deleted_at,
        row_number() over (
            partition by id order by updated_at desc nulls last, _loaded_at desc
        ) as recency
    from {{ source('helpdesk', 'comments') }}

)

select
    comment_id,
    ticket_id,
    author_name,
    author_role,
    body,
    created_at,
    updated_at
from renamed
where recency = 1 and deleted_at is null
