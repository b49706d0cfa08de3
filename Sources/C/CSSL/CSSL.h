#pragma once
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// What OpenSSL offers as macros only, as functions, which Swift can call.

static const uint64_t cssl_op_no_renegotiation = SSL_OP_NO_RENEGOTIATION;
static const uint64_t cssl_op_no_compression = SSL_OP_NO_COMPRESSION;
static const uint64_t cssl_op_server_preference = SSL_OP_CIPHER_SERVER_PREFERENCE;
static const uint64_t cssl_op_prioritize_chacha = SSL_OP_PRIORITIZE_CHACHA;

static inline void cssl_ctx_set_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_mode(context, mode);
}
static inline int cssl_ctx_set_min_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version);
}
static inline int cssl_ctx_set_max_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_max_proto_version(context, version);
}
static inline int cssl_ctx_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}
static inline void cssl_ctx_set_session_cache_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_session_cache_mode(context, mode);
}
static inline void cssl_set_server_name(SSL *ssl, const char *name) {
    SSL_set_tlsext_host_name(ssl, name);
}
static inline void cssl_bio_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void cssl_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }
static inline int cssl_error_reason(unsigned long code) { return ERR_GET_REASON(code); }
static inline long cssl_bio_memory(BIO *bio, char **start) { return BIO_get_mem_data(bio, start); }

static inline int cssl_names_count(const GENERAL_NAMES *names) {
    return sk_GENERAL_NAME_num(names);
}
static inline GENERAL_NAME *cssl_name_at(const GENERAL_NAMES *names, int index) {
    return sk_GENERAL_NAME_value(names, index);
}
static inline int cssl_chain_count(const STACK_OF(X509) *chain) { return sk_X509_num(chain); }
static inline X509 *cssl_chain_at(const STACK_OF(X509) *chain, int index) {
    return sk_X509_value(chain, index);
}
static inline EVP_PKEY *cssl_make_p256_key(void) { return EVP_EC_gen("P-256"); }
