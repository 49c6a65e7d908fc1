module bitsup

go 1.19
