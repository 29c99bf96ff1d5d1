{{ config(
    materialized='keyed',
    unique_key='document_id',
    meta={'changes': {
        'by': 'path',
        'inputs': {'stg_runbooks__documents': 'path'},
    }},
) }}

with documents as (

    select
        path,
        content,
        modified_at
    from {{ ref('stg_runbooks__documents') }}

),

people as (

    select name, email, phone, address
    from {{ ref('dim_people') }}

),

mentions as (

    {{ mentioned_people('documents', 'path', ['path', 'content'], 'people') }}

)

select
    documents.path as document_id,
    coalesce(
        {{ markdown_title('documents.content') }},
        {{ slug_to_title(file_stem('documents.path')) }},
        documents.path
    ) as title,
    case
        when documents.path like '%/%' then {{ dbt.split_part('documents.path', "'/'", 1) }}
        else 'general'
    end as category,
    documents.content,
    mentions.mentioned_name,
    mentions.mentioned_email,
    mentions.mentioned_phone,
    mentions.mentioned_address,
    documents.modified_at
from documents
left join mentions
    on documents.path = mentions.path
