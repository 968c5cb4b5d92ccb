#include "textflag.h"

// One bit for each byte of a block tells what it is. Which bytes a backslash
// escapes comes out of an addition: a run of backslashes carries into the byte
// behind it, which is escaped if the run is odd, and that shows in whether the run
// began at an even byte. The method is simdjson's, with its single addition for
// runs that begin at odd bytes (G. Langdale and D. Lemire, Parsing Gigabytes of
// JSON per Second, VLDB Journal 28, 2019, section 3.1.1, has two). A run that
// reaches the block's end begins the next block, so that none has to wait for what
// came out of the one before it.
//
// func closingQuoteBlocks(first *byte, n int, controls bool) int
TEXT ·closingQuoteBlocks(SB), NOSPLIT, $0-32
	MOVQ    first+0(FP), SI
	MOVQ    n+8(FP), DX
	MOVBQZX controls+16(FP), R8
	SUBQ    $64, DX
	XORQ    AX, AX                   // where the block begins
	MOVQ    $0x5555555555555555, R11 // the even bytes
	MOVQ    $'"', BX
	MOVQ    $'\\', CX
	MOVQ    $0x1f, DI
	NEGQ    R8
	MOVQ    BX, X0
	MOVQ    CX, X1
	MOVQ    DI, X2
	MOVQ    R8, X7
	VPBROADCASTB X0, Y0
	VPBROADCASTB X1, Y1
	VPBROADCASTB X2, Y2
	VPBROADCASTB X7, Y7              // all ones if controls

next:
	VMOVDQU (SI)(AX*1), Y3
	VMOVDQU 32(SI)(AX*1), Y4

	// BX: the backslashes.
	VPCMPEQB  Y1, Y3, Y5
	VPCMPEQB  Y1, Y4, Y6
	VPMOVMSKB Y5, BX
	VPMOVMSKB Y6, CX
	SHLQ      $32, CX
	ORQ       CX, BX

	// R12: the quotes.
	VPCMPEQB  Y0, Y3, Y5
	VPCMPEQB  Y0, Y4, Y6
	VPMOVMSKB Y5, R12
	VPMOVMSKB Y6, R13
	SHLQ      $32, R13
	ORQ       R13, R12

	// CX: what follows a backslash. DI: the runs that begin at an odd byte.
	LEAQ  (BX)(BX*1), CX
	MOVQ  CX, DI
	ORQ   R11, DI
	ANDNQ BX, DI, DI

	// DI: where such runs have carried to, and those that begin at an even one left
	// as they are; then the bytes that are escaped.
	ADDQ  BX, DI
	ADDQ  DI, DI
	XORQ  R11, DI
	ANDQ  CX, DI
	ANDNQ R12, DI, R12

	// Control characters are what the lesser of them and 0x1f is.
	VPMINUB  Y3, Y4, Y5
	VPMINUB  Y2, Y5, Y6
	VPCMPEQB Y5, Y6, Y6
	VPTEST   Y7, Y6
	JNE      control

	TESTQ R12, R12
	JNE   found
	TESTQ BX, BX
	JMI   run
	ADDQ  $64, AX
	CMPQ  AX, DX
	JLE   next
	JMP   none

run:
	// The next block begins where the run does, if that is not all of this one:
	// then nothing behind it is escaped.
	MOVQ $64, CX
	NOTQ BX
	BSRQ BX, DI
	JEQ  whole
	LEAQ 1(DI), CX

whole:
	ADDQ CX, AX
	CMPQ AX, DX
	JLE  next
	JMP  none

control:
	VPMINUB   Y2, Y3, Y5
	VPMINUB   Y2, Y4, Y6
	VPCMPEQB  Y3, Y5, Y5
	VPCMPEQB  Y4, Y6, Y6
	VPMOVMSKB Y5, R13
	VPMOVMSKB Y6, DI
	SHLQ      $32, DI
	ORQ       DI, R13
	ORQ       R13, R12

found:
	BSFQ R12, R12
	ADDQ R12, AX

none:
	VZEROUPPER
	MOVQ AX, ret+24(FP)
	RET
