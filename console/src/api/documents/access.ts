/** Who may do what. */

/** `role-bindings` {}: {role_bindings: RoleBinding[]}, for administrators and auditors. m8's word. */
export interface RoleBinding {
  name: string;
  /** "administrator", "auditor" or "user". */
  role: string;
  /** `kind:issuer:name`. */
  members: string[];
  /** With "user": below which prefix the rights are valid; else "" and none. */
  prefix: string;
  rights: string[];
}
