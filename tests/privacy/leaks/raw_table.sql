-- The raw table itself, past staging and marts.
-- caught_by: proof
-- says: shows shop.customers.email

select email as k from {{ source('shop', 'customers') }}
