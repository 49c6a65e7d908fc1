<?php
// Tests the wrapper: php check.php SCENARIO URL FILE. The caller checks the server afterwards.
require __DIR__ . '/bitsup.php';

function must(bool $right, mixed $what): void
{
    if (!$right) {
        fwrite(STDERR, 'wrong: ' . var_export($what, true) . "\n");
        exit(1);
    }
}

function fails(callable $attempt): Bitsup\Error
{
    try {
        $attempt();
    } catch (Bitsup\Error $error) {
        return $error;
    }
    must(false, 'nothing was thrown');
}

[, $scenario, $url, $file] = $argv;
switch ($scenario) {
    case 'progress':
        $seen = [];
        Bitsup\upload($file, $url, ['fragment_size' => 65536], function (...$progress) use (&$seen): void {
            must($seen === [] || $progress[0] >= end($seen)[0], $progress);
            $seen[] = $progress;
        });
        must(end($seen) === [600000, 600000, 'done'], $seen);
        break;
    case 'refused':
        $error = fails(fn () => Bitsup\upload($file, $url));
        must($error->status === 'REFUSED' && $error->httpStatus === 403 && $error->hresult === 0x80070005, $error->getMessage());
        must($error->advice !== '', $error->advice);
        $error = fails(fn () => Bitsup\upload($file, $url, ['fragment_sise' => 1]));
        must($error->status === 'UNSUPPORTED', $error->getMessage());
        break;
    case 'lost':
        Bitsup\upload($file, $url, ['fragment_size' => 65536, 'retry_delay' => '10ms', 'max_retry_delay' => '50ms']);
        break;
    default:
        must(false, $scenario);
}
