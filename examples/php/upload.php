<?php
// Uploads a file: php upload.php FILE URL
require __DIR__ . '/bitsup.php';

if ($argc !== 3) {
    fwrite(STDERR, "usage: php upload.php FILE URL\n");
    exit(2);
}
try {
    Bitsup\upload($argv[1], $argv[2], [], function (int $acknowledged, int $total, string $state): void {
        echo "\r$acknowledged of $total bytes, $state   ";
    });
    echo "\n";
} catch (Bitsup\Error $error) {
    fprintf(STDERR, "upload: %s\n%s, 0x%08X\n%s\n", $error->getMessage(), $error->status, $error->hresult, $error->advice);
    exit(1);
}
