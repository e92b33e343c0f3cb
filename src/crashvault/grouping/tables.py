"""The tables that grouping decides by: what words, exception types, functions and modules mean.

Data, not code, so that a missing helper or framework is one more word here. Changing a table changes the
keys of events to come, as any change of an algorithm does.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that carry digits and yet name a thing: they are part of the message, not of the occurrence.
TECHNICAL_WORDS = _words(
    """
    utf8 utf16 utf32 utf7 ucs2 ucs4 utf8mb4 ascii7 latin1 cp437 cp850 cp1251 cp1252 iso8859 big5 gb2312
    base32 base64 base16 base58 base85 ascii85 md4 md5 sha1 sha2 sha3 sha224 sha256 sha384 sha512 crc16
    crc32 crc32c crc64 blake2b blake2s argon2 argon2id aes128 aes192 aes256 rc4 ed25519 x25519 x509
    pkcs1 pkcs7 pkcs8 pkcs11 pkcs12 rs256 rs512 es256 hs256 hs384 hs512 int8 int16 int32 int64 uint8
    uint16 uint32 uint64 float16 float32 float64 float128 complex64 complex128 datetime64 timedelta64 i8
    i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 bfloat16 x86 x64 x32 i386 i486 i586 i686 amd64 arm64
    armv7 armv8 aarch64 win32 win64 mips64 ppc64 ppc64le s390x riscv64 ipv4 ipv6 ip4 ip6 inet6 http1
    http2 http3 h2 h2c h3 tls1 ssl2 ssl3 socks4 socks5 oauth1 oauth2 saml2 s3 ec2 ecs2 k8s k3s i18n l10n
    a11y python2 python3 py2 py3 pypy3 psycopg2 psycopg3 urllib3 boto3 botocore2 jinja2 yaml12 sqlite3
    mysql8 log4j log4j2 slf4j db2 h2db neo4j web3 es5 es6 es2015 es2020 mp3 mp4 h264 h265 vp8 vp9 av1
    lz4 bz2 gz7 zlib1 7z md2 ext2 ext3 ext4 ntfs3 fat16 fat32 usb2 usb3 g1 oom2 level1 level2 p2p b2b
    b2c e2e c3p0 d3 three3d 2d 3d 2fa u2f fido2 ed448 p256 p384 p521 secp256k1 m2m o2m v8 v1beta1
    v1alpha1 c99 c11 c89 c14n gpt2 bert4 cuda11 cuda12 x86_64 x86-64 utf-8 utf-16 utf-32 utf-7 utf-16le
    utf-16be iso-8859-1 iso-8859-15 windows-1252 cp-1252 sha-1 sha-224 sha-256 sha-384 sha-512 md-5
    http/1 http/1.0 http/1.1 http/2 http/2.0 http/3 tls/1.2 tlsv1 tlsv1.1 tlsv1.2 tlsv1.3 sslv2 sslv3
    aes-128 aes-192 aes-256 base-64 ps1 ps2 utf_8 r2 dbm1 imap4 pop3 smtp2 krb5 gss2 nfs3 nfs4 smb1 smb2
    smb3 ldap3 x11 qt4 qt5 qt6 gtk2 gtk3 gtk4 vue2 vue3 angular2 t4 t3 m1 m2 mod10 mod11 luhn10 exif2
    iso3166 iso4217 rfc822 rfc2822 rfc3339 iso8601 8bit 7bit 16bit 32bit 64bit 1d 4xx 5xx
    """
)

# What a quoted word means depends on the error. In these it names a thing in the code (an attribute, a
# variable, a type, a class, a column): it tells one bug from another, and it is the same for every user.
# Elsewhere (ValueError, FileNotFoundError, NumberFormatException, …) it is data.
NAMING_TYPES = _words(
    """
    AttributeError NameError UnboundLocalError ImportError ModuleNotFoundError TypeError
    NotImplementedError UndefinedError FieldError FieldDoesNotExist NoReverseMatch ImproperlyConfigured
    TemplateSyntaxError TemplateAssertionError CircularImportError PicklingError ProgrammingError
    UndefinedColumn UndefinedTable UndefinedFunction InvalidRequestError ArgumentError NoMethodError
    UninitializedConstant ReferenceError NullPointerException ClassNotFoundException
    NoClassDefFoundError NoSuchMethodError NoSuchFieldError NoSuchMethodException NoSuchFieldException
    AbstractMethodError IncompatibleClassChangeError ClassCastException VerifyError LinkageError
    UnsatisfiedLinkError InstantiationException IllegalAccessError IllegalAccessException
    MissingMethodException MissingFieldException TypeLoadException NullReferenceException
    InvalidCastException NoSuchBeanDefinitionException BeanCreationException
    UnsatisfiedDependencyException UninitializedPropertyAccessException UndefinedFunctionError
    FunctionClauseError ProtocolUndefinedError BadMethodCallException BindingResolutionException
    RuntimeBinderException
    """
)

# Here the whole value is one piece of data: the key that was missing, the exit status.
VALUE_TYPES = _words(
    """
    KeyError StopIteration StopAsyncIteration SystemExit KeyNotFoundException
    """
)

# Here the message only describes the input, or repeats the type in words that vary with the interpreter
# and the operands; where a frame says which call it was, it is left out of the key.
SILENT_TYPES = _words(
    """
    ZeroDivisionError FloatingPointError ArithmeticException DivideByZeroException RecursionError
    StackOverflowError KeyboardInterrupt InterruptedException JSONDecodeError UnicodeDecodeError
    UnicodeEncodeError UnicodeError ExpatError ParserError ScannerError ParseError TOMLDecodeError
    XMLSyntaxError JsonParseException JsonSyntaxException MalformedJsonException JsonEOFException
    MalformedInputException NumberFormatException DateTimeParseException SAXParseException
    ParseException JsonReaderException JsonException FormatException NumberFormatError ParseIntError
    ParseFloatError
    """
)

# Functions that fail on behalf of their caller. By the last part of the name, lower case.
HELPERS = _words(
    """
    wrapper wrapped inner decorated decorator _wrapper _inner _wrapped inner_wrapper wrapped_f
    wrap_function __call__ raise_from reraise re_raise raise_ rethrow throw throwerror raise_error
    raiseerror panic panic_fmt panic_str unwrap expect unwrap_failed expect_failed abort fail failed
    bail todo unimplemented unreachable die croak invariant assert assertion __assert_fail __assert_rtn
    __assert2 __assert_perror_fail _assert assertfailed log _log debug info warn warning error exception
    critical fatal fatalf panicf panicln logf errorf printstacktrace capture_exception captureexception
    capture_message handle_error handleerror on_error onerror must notnull requirenonnull tryto attempt
    withretry retry retrying
    """
)

# Functions that check for their caller: a deliberate error from them is the caller's. One that the
# interpreter itself raises (NATURAL_ERRORS) is their own bug.
GUARD = r"_*(?i:assert|check|require|ensure|verify|must|expect|throw_?if)(?=$|_|[A-Z0-9])"

# What a class does when it is loaded. The compiler makes one function of all its statements.
INITIALIZERS = _words("<clinit> .cctor")

# Classes whose methods check for their caller, whatever their names.
GUARD_CLASSES = _words(
    """
    Preconditions Objects Assert Assertions Validate Verify Check Asserts Guard Debug Contract Throw
    Require
    """
)

# What interpreters and virtual machines raise by themselves.
NATURAL_ERRORS = _words(
    """
    TypeError AttributeError KeyError NameError UnboundLocalError IndexError ZeroDivisionError
    ImportError ModuleNotFoundError RecursionError MemoryError UnicodeDecodeError ReferenceError
    SyntaxError NoMethodError ClassCastException ArrayIndexOutOfBoundsException StackOverflowError
    OutOfMemoryError NoClassDefFoundError ClassNotFoundException ConcurrentModificationException
    ArithmeticException NegativeArraySizeException NullReferenceException InvalidCastException
    boundsError TypeAssertionError
    """
)

# The stack ran out: which function of the cycle noticed is chance.
RECURSION_ERRORS = _words(
    """
    RecursionError StackOverflowError StackOverflowException SystemStackError
    """
)

# Modules of languages' runtimes, by prefix of the module (or of the file's place); a separator must follow.
RUNTIME = {
    "python": _words(
        """
        asyncio concurrent.futures threading multiprocessing runpy importlib contextlib functools unittest
        logging warnings <frozen
        """
    ),
    "java": _words(
        """
        java javax jdk sun com.sun kotlin kotlinx scala groovy clojure dalvik android androidx com.android
        """
    ),
    "javascript": _words(
        """
        node: internal/modules internal/process internal/main internal/timers internal/bootstrap
        internal/errors internal/deps <anonymous> webpack/bootstrap
        """
    ),
    "go": _words("runtime testing reflect sync net/http log"),
    "rust": _words("std core alloc rust_begin_unwind _start main tokio::runtime"),
    "csharp": _words("System Microsoft"),
    "php": _words("[internal"),
    "ruby": _words("<internal:"),
    "elixir": _words("gen_server proc_lib erl_eval erl_internal supervisor Task.Supervised GenServer erlang"),
}

# Likewise frameworks and libraries that call the user's code, unless the event says that the frame is the
# user's.
FRAMEWORKS = {
    "python": _words(
        """
        django flask starlette fastapi werkzeug uvicorn gunicorn celery kombu aiohttp tornado twisted
        sentry_sdk click typer tenacity retrying backoff wrapt decorator anyio gevent eventlet rq crashvault
        opentelemetry ddtrace newrelic _pytest pluggy
        """
    ),
    "java": _words(
        """
        org.springframework org.apache.catalina org.apache.tomcat org.apache.coyote org.eclipse.jetty io.netty
        io.undertow reactor io.reactivex org.hibernate net.sf.cglib javassist net.bytebuddy org.aopalliance
        org.mockito io.micronaut io.quarkus org.jboss org.slf4j ch.qos.logback org.apache.logging org.gradle
        org.apache.maven org.junit junit org.testng jakarta com.google.common.base.Preconditions
        org.apache.commons.lang3.Validate
        """
    ),
    "javascript": _words(
        """
        express koa next react react-dom vue zone zone.js core-js regenerator-runtime webpack @angular
        @sentry jest mocha bluebird promise fastify @nestjs
        """
    ),
    "go": _words(
        """
        github.com/gin-gonic/gin github.com/labstack/echo github.com/pkg/errors github.com/stretchr/testify
        """
    ),
    "rust": _words("tokio anyhow eyre futures rayon actix hyper tower backtrace"),
    "csharp": _words("Serilog NLog Polly MediatR Xunit NUnit"),
    "php": _words("symfony laravel Illuminate Symfony monolog phpunit PHPUnit"),
    "ruby": _words(
        """
        rack rails railties actionpack activesupport activerecord puma sidekiq rspec-core bundler
        """
    ),
    "elixir": _words("Plug Phoenix Ecto ExUnit Cowboy cowboy Bandit"),
}

# Native frames that crashes of a kind have on top: sanitizers, abort, allocation, string copies, unwinding.
NATIVE_IGNORED = (
    r"_*(?:asan|msan|tsan|ubsan|lsan|hwasan|sanitizer|interceptor|interception|libc|pthread|GI|assert|stack_chk"
    r"|fortify|cxa|gnu_cxx|dl|rust|real)_"
    r"|_+(?:libc_message|malloc_assert|terminate|assert|start|asan|msan|ubsan|lsan|tsan|hwasan|sanitizer)"
    r"|(?:std|__gnu_cxx|__cxxabiv1|core|alloc|boost::(?:throw_exception|assertion)|fuzzer)::"
    r"|(?:abort|raise|kill|gsignal|pthread_kill|tgkill|_?_?exit|_Exit|terminate|start_thread|clone3?|main|_start"
    r"|LLVMFuzzerTestOneInput|[mc]alloc|realloc|c?free|operator ?(?:new|delete).*"
    r"|mem(?:cpy|move|set|cmp|r?chr|mem)"
    r"|(?:str|wcs)n?(?:cpy|cat|len|cmp|dup|chr|str|casecmp|tol|tok)\w*|v?s?n?f?printf\w*|objc_exception_throw"
    r"|KiUserExceptionDispatcher|RtlUserThreadStart|BaseThreadInitThunk|invoke_main|<signal handler called>)$"
)
