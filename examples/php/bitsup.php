<?php
// Uploads a file with the BITS Upload Protocol through libbitsup: progress and errors.
declare(strict_types=1);

namespace Bitsup;

/** Why there is no such file on the server. */
final class Error extends \RuntimeException
{
    public readonly string $status, $advice;
    public readonly int $httpStatus, $hresult;

    public function __construct(int $status, \FFI\CData $error)
    {
        $c = c();
        parent::__construct($c->bitsup_error_message($error), $status);
        $this->status = $c->bitsup_status_name($status);
        $this->advice = $c->bitsup_error_advice($error);
        $this->httpStatus = $c->bitsup_error_http_status($error);
        $this->hresult = $c->bitsup_error_hresult($error);
        $c->bitsup_error_free($error);
    }
}

/** The functions of bitsup.h. */
function c(): \FFI
{
    static $c = null;
    return $c ??= \FFI::cdef(<<<'C'
        typedef struct bitsup_client bitsup_client;
        typedef struct bitsup_upload bitsup_upload;
        typedef struct bitsup_options bitsup_options;
        typedef struct bitsup_error bitsup_error;
        typedef struct {
            size_t struct_size;
            uint64_t total, acknowledged, sent, rate;
            int64_t eta_ms, retry_ms;
            int state;
            uint32_t attempt;
        } bitsup_progress;
        int bitsup_client_new(void *options, bitsup_client **client, bitsup_error **error);
        void bitsup_client_free(bitsup_client *client);
        bitsup_options *bitsup_options_new(void);
        int bitsup_options_set_by_name(bitsup_options *options, const char *name, const char *value, bitsup_error **error);
        void bitsup_options_free(bitsup_options *options);
        int bitsup_upload_start(bitsup_client *client, const char *path, const char *url, const bitsup_options *options,
            bitsup_upload **upload, bitsup_error **error);
        int bitsup_upload_wait(bitsup_upload *upload, int64_t timeout_ms, bitsup_error **error);
        int bitsup_upload_progress(const bitsup_upload *upload, bitsup_progress *progress);
        void bitsup_upload_free(bitsup_upload *upload);
        const char *bitsup_state_name(uint32_t state);
        const char *bitsup_status_name(uint32_t status);
        const char *bitsup_error_message(const bitsup_error *error);
        const char *bitsup_error_advice(const bitsup_error *error);
        uint32_t bitsup_error_http_status(const bitsup_error *error);
        uint32_t bitsup_error_hresult(const bitsup_error *error);
        void bitsup_error_free(bitsup_error *error);
        C, 'libbitsup.so.0');
}

/** Calls a function whose last argument is the place for an error; false while it is pending. */
function call(string $name, mixed ...$arguments): bool
{
    $error = c()->new('bitsup_error *');
    $status = c()->{$name}(...$arguments, ...[\FFI::addr($error)]);
    if ($status > 1) {
        throw new Error($status, $error);
    }
    return $status === 0;
}

/**
 * Uploads a file and waits for the end. $progress is called ten times a second and at the end with the bytes that
 * are safe, all bytes, and the state. Options are named as in bitsup.h: fragment_size for
 * BITSUP_OPTION_FRAGMENT_SIZE.
 */
function upload(string $path, string $url, array $options = [], ?callable $progress = null): void
{
    $c = c();
    $client = $c->new('bitsup_client *');
    $upload = $c->new('bitsup_upload *');
    $chosen = $c->bitsup_options_new();
    try {
        call('bitsup_client_new', null, \FFI::addr($client));
        foreach ($options as $name => $value) {
            call('bitsup_options_set_by_name', $chosen, $name, (string) $value);
        }
        call('bitsup_upload_start', $client, $path, $url, $chosen, \FFI::addr($upload));
        $now = $c->new('bitsup_progress');
        do {
            $done = call('bitsup_upload_wait', $upload, 100);
            $now->struct_size = \FFI::sizeof($now);
            $c->bitsup_upload_progress($upload, \FFI::addr($now));
            if ($progress !== null) {
                $progress($now->acknowledged, $now->total, $c->bitsup_state_name($now->state));
            }
        } while (!$done);
    } finally {
        $c->bitsup_upload_free($upload);
        $c->bitsup_options_free($chosen);
        $c->bitsup_client_free($client);
    }
}
