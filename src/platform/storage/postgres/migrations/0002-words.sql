-- What the holder of a lease has left for the next one.
alter table larder.leases add column word text;
