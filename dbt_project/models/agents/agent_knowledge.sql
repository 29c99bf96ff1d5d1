{{ config(
    materialized='keyed',
    unique_key='document_id',
    meta={'changes': {
        'inputs': {'dim_documents': 'document_id'},
    }},
) }}

{%- set people = {
    'name': ['mentioned_name'],
    'email': ['mentioned_email'],
    'phone': ['mentioned_phone'],
    'address': ['mentioned_address'],
} -%}

select
    document_id,
    {{ redact('title', people) }} as title,
    category,
    {{ redact('content', people) }} as content,
    modified_at
from {{ ref('dim_documents') }}
