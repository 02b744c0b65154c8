// The methods of m8's API that the walk of a put takes.
import {
  RequestSecretUploadKeyRequestSchema,
  RequestSecretUploadKeyResponseSchema,
  RequestUploadSecretRequestSchema,
  RequestUploadSecretResponseSchema,
} from "../messages/gateway/v1/commands_pb.ts";
import {
  GetSecretStoreRequestSchema,
  GetSecretStoreResponseSchema,
  GetSecretUploadKeyRequestSchema,
  GetSecretUploadKeyResponseSchema,
  GetSecretUploadRequestSchema,
  GetSecretUploadResponseSchema,
} from "../messages/gateway/v1/queries_pb.ts";

const COMMANDS = "monoskope.api.gateway.v1.SecretCommandService";
const QUERIES = "monoskope.api.gateway.v1.SecretQueryService";

export const REQUEST_KEY = {
  path: `${COMMANDS}/RequestSecretUploadKey`,
  input: RequestSecretUploadKeyRequestSchema,
  output: RequestSecretUploadKeyResponseSchema,
} as const;

export const REQUEST_UPLOAD = {
  path: `${COMMANDS}/RequestUploadSecret`,
  input: RequestUploadSecretRequestSchema,
  output: RequestUploadSecretResponseSchema,
} as const;

export const GET_KEY = {
  path: `${QUERIES}/GetSecretUploadKey`,
  input: GetSecretUploadKeyRequestSchema,
  output: GetSecretUploadKeyResponseSchema,
} as const;

export const GET_UPLOAD = {
  path: `${QUERIES}/GetSecretUpload`,
  input: GetSecretUploadRequestSchema,
  output: GetSecretUploadResponseSchema,
} as const;

export const GET_STORE = {
  path: `${QUERIES}/GetSecretStore`,
  input: GetSecretStoreRequestSchema,
  output: GetSecretStoreResponseSchema,
} as const;
