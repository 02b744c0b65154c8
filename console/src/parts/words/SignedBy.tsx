/** Who signed a request, by its receipt: the name that the store's own list gives, and the key. */

export function SignedBy({ of: { signer, signer_key } }: { of: { signer: string; signer_key: string } }) {
  return (
    <>
      {signer} with <code class="signer-key">{signer_key}</code>
    </>
  );
}
