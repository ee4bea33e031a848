export { type Authenticator, allows, type Credential, type Scope, scopes } from "./credential.ts";
