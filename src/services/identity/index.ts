export { type AdminKey, createIdentity, type Identity, type IdentityOptions } from "./identity.ts";
export { CreatedKey, KeyRequest, KeysPage, KeyView } from "./wire.ts";
