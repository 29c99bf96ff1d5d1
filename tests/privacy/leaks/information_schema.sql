-- A system table tells statistics.
-- caught_by: proof
-- says: cannot be followed

select stats as k from pragma_storage_info('dim_customers')
