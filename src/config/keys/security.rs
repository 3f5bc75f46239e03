//! Rows of access: access lists, schemes and SASL.

use super::{Key, MS, long, rows};
use crate::config::value::Kind;

rows! {
    /// With yes, no access list is looked at: everyone may do everything.
    SKIP_ACL = Kind::Switch { on: "yes", off: "no" }, "skipACL", "no";
    /// The digest scheme.
    DIGEST_AUTH_ENABLED = Kind::Loose, "DigestAuthenticationProvider.enabled", "true";
    /// Hash of the digest scheme; stored access lists hold its results.
    DIGEST_ALGORITHM = Kind::Choice(DIGEST_ALGORITHMS),
        "DigestAuthenticationProvider.digestAlg", "SHA1";
    /// Who passes every access list, as name:hash.
    SUPER_DIGEST = Kind::Text, "DigestAuthenticationProvider.superDigest", "", secret();
    /// Refuse requests before one of enforce.auth.schemes has succeeded.
    ENFORCE_AUTH = Kind::Loose, "enforce.auth.enabled", "false";
    /// The schemes of which enforce.auth.enabled asks for one, separated by commas.
    ENFORCE_AUTH_SCHEMES = Kind::Text, "enforce.auth.schemes", "";
    /// A further authentication scheme, by the name of its Java class.
    AUTH_PROVIDERS = Kind::Text, "authProvider.*", "";
    /// The name in the certificate of a client who passes every access list.
    X509_SUPER_USER = Kind::Text, "X509AuthenticationProvider.superUser", "";
    /// What clients may call this ensemble, separated by commas, if its authProvider is named.
    ENSEMBLE_AUTH_NAME = Kind::Text, "ensembleAuthName", "";
    /// The JAAS file, which says who may log in by SASL.
    JAAS_FILE = Kind::Path, "java.security.auth.login.config", "", bare();
    /// Section of the JAAS file that clients log in by.
    SASL_SECTION = Kind::Text, "sasl.serverconfig", "Server";
    /// Password of the SASL user super, instead of that in the JAAS file.
    SASL_SUPER_PASSWORD = Kind::Text, "SASLAuthenticationProvider.superPassword", "", secret();
    /// SASL name that is super user.
    SUPER_USER = Kind::Text, "superUser", "";
    /// A further SASL name that is super user.
    SUPER_USERS = Kind::Text, "superUser.*", "";
    /// Name in access lists that any SASL user matches, if the SASL authProvider is named.
    ANY_SASL_USER = Kind::Text, "letAnySaslUserDoX", "";
    /// Keep clients whose SASL failed.
    ALLOW_SASL_FAILED = Kind::Loose, "allowSaslFailedClients", "false";
    /// Refuse requests before SASL has succeeded; stands for enforce.auth.schemes=sasl.
    REQUIRE_CLIENT_SASL = Kind::Loose, "sessionRequireClientSASLAuth", "false";
    /// Leave the host out of the names of SASL users.
    REMOVE_HOST = Kind::Loose, "kerberos.removeHostFromPrincipal", "false";
    /// Leave the realm out of the names of SASL users.
    REMOVE_REALM = Kind::Loose, "kerberos.removeRealmFromPrincipal", "false";
    /// Rules that map the Kerberos names of SASL users to short ones.
    NAME_RULES = Kind::Text, "security.auth_to_local", "DEFAULT";
    /// The Kerberos configuration, krb5.conf.
    KERBEROS_FILE = Kind::Path, "java.security.krb5.conf", "", bare();
    /// Do not start without a Kerberos configuration that has a default realm.
    REQUIRE_KERBEROS = Kind::Loose, "requireKerberosConfig", "false";
    /// Trust X-Forwarded-For: who asks the AdminServer by the ip scheme stands there.
    TRUSTS_FORWARDED_FOR = Kind::Loose, "IPAuthenticationProvider.usexforwardedfor", "false";
    unnamed {
        Key::new("enableEagerACLCheck", Kind::Loose, "false",
            "Check access lists where a write arrives.")
            .quiet("only a follower can check earlier than the leader");
        Key::new("sun.security.jgss.native", Kind::Loose, "false", "The system's Kerberos library.")
            .bare().quiet("the system's library is what this server has");
        Key::new("javax.security.auth.useSubjectCredsOnly", Kind::Loose, "true",
            "Where Kerberos credentials come from.").bare().quiet(AS_THE_JAAS_FILE_SAYS);
        Key::new("kerberos.minReLoginTimeMs", long(0, i64::MAX, MS), "60000",
            "Time between Kerberos logins.").quiet(RENEWS);
        Key::new("kinit", Kind::Text, "", "Path of kinit.").quiet(RENEWS);
    }
}

/// The names that Java's security providers know the offered hashes under.
const DIGEST_ALGORITHMS: &[&str] = &[
    "SHA1",
    "SHA-1",
    "SHA",
    "SHA-224",
    "SHA-256",
    "SHA-384",
    "SHA-512",
    "SHA-512/224",
    "SHA-512/256",
    "SHA224",
    "SHA256",
    "SHA384",
    "SHA512",
    "SHA512/224",
    "SHA512/256",
];

const AS_THE_JAAS_FILE_SAYS: &str = "credentials come from where the JAAS file says";
const RENEWS: &str = "the Kerberos library renews tickets before they expire";
