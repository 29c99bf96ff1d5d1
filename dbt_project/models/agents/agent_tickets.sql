{{ config(
    materialized='keyed',
    unique_key='ticket_id',
    meta={'changes': {
        'inputs': {'fct_tickets': 'ticket_id'},
    }},
) }}

{%- set people = {
    'name': ['requester_name', 'customer_name', 'author_names', 'mentioned_name'],
    'email': ['requester_email', 'customer_email', 'mentioned_email'],
    'phone': ['customer_phone', 'mentioned_phone'],
    'address': ['customer_street', 'customer_postcode', 'mentioned_address'],
} -%}

select
    ticket_id,
    {{ pseudonym('customer_id', 'customer', 'cus') }} as customer_key,
    {{ redact('subject', people) }} as subject,
    {{ redact('body', people) }} as body,
    {{ redact('conversation', people) }} as conversation,
    status,
    priority,
    comment_count,
    created_at,
    updated_at
from {{ ref('fct_tickets') }}
