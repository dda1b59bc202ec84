// Pictures of the people in the house, drawn here: one head for all, what makes each of them them, and a face that shows how
// they feel. Colours come from the theme. A user who is not known by name gets a plain head.

import type { ComponentChildren } from "preact";
import type { Feeling } from "../../household/feeling";

type Face = { eyes: string; mouth: string; brows: string | null };

/** Eyes at (26, 32) and (38, 32), mouth around (32, 41). */
const faces: Record<Feeling | "calm", Face> = {
  happy: { eyes: "M23.5 32.5q2.5-4 5 0M35.5 32.5q2.5-4 5 0", mouth: "M25 38.5q7 8 14 0", brows: null },
  content: { eyes: "M26 32v.01M38 32v.01", mouth: "M26 40q6 4 12 0", brows: null },
  calm: { eyes: "M26 32v.01M38 32v.01", mouth: "M27 41h10", brows: null },
  uneasy: { eyes: "M26 32v.01M38 32v.01", mouth: "M26 42q3-3 6-.5t6-.5", brows: "M23 28.5q3-2 5.5-1.5M41 28.5q-3-2-5.5-1.5" },
  upset: { eyes: "M26 33v.01M38 33v.01", mouth: "M25.5 44q6.5-7 13 0", brows: "M22.5 26.5l6 3M41.5 26.5l-6 3" },
};

function FaceOf({ feeling }: { feeling: Feeling | null }) {
  const face = faces[feeling ?? "calm"];
  return (
    <>
      <path class="portrait-eyes" d={face.eyes} />
      <path class="portrait-line" d={face.mouth} />
      {face.brows !== null && <path class="portrait-line" d={face.brows} />}
    </>
  );
}

function Head({ children, feeling }: { children?: ComponentChildren; feeling: Feeling | null }) {
  return (
    <>
      <path class="portrait-shirt" d="M10 66c1-11 10-15 22-15s21 4 22 15z" />
      <path class="portrait-skin" d="M27 45h10v8q-5 4-10 0z" />
      <ellipse class="portrait-skin" cx="32" cy="33" rx="14.5" ry="16" />
      {children}
      <FaceOf feeling={feeling} />
    </>
  );
}

/** A headset, and hair that has seen a long night. */
function Alex({ feeling }: { feeling: Feeling | null }) {
  return (
    <Head feeling={feeling}>
      <path class="portrait-hair" d="M17 31c-2-12 5-19 15-19 11 0 17 7 15 19-1-4-3-7-5-8-2 2-5 2-7 0-3 3-7 3-10 1-4 1-7 3-8 7z" />
      <path class="portrait-thing-line" d="M15.5 34c-2-32 35-32 33 0" />
      <rect class="portrait-thing" x="12" y="29" width="6.5" height="12" rx="3" />
      <rect class="portrait-thing" x="45.5" y="29" width="6.5" height="12" rx="3" />
      <path class="portrait-thing-line portrait-thin" d="M15 41c1 6 5 8 9 8" />
    </Head>
  );
}

/** Long hair, and glasses for the screen. */
function Sarah({ feeling }: { feeling: Feeling | null }) {
  return (
    <>
      <path class="portrait-hair" d="M32 11c-13 0-18 9-18 20 0 9-1 15-4 20h44c-3-5-4-11-4-20 0-11-5-20-18-20z" />
      <Head feeling={feeling}>
        <path class="portrait-hair" d="M17 31c0-12 6-18 15-18s15 6 15 18c-4-2-7-5-9-9-4 5-12 7-21 9z" />
        <g class="portrait-thing-line portrait-thin">
          <circle cx="26" cy="32" r="5.5" />
          <circle cx="38" cy="32" r="5.5" />
          <path d="M31.3 31q.7-.6 1.4 0" />
        </g>
      </Head>
    </>
  );
}

/** A woollen hat and a beard: he is not going out today. */
function Jake({ feeling }: { feeling: Feeling | null }) {
  return (
    <Head feeling={feeling}>
      <path class="portrait-hair" d="M17.5 34c1 10 6 16 14.5 16s13.5-6 14.5-16c-2 3-4 4-7 3.5-5-1-10-1-15 0-3 .5-5-.5-7-3.5z" />
      <path class="portrait-skin" d="M24.5 40.5q7.5-5 15 0 1 5-7.5 5.5-8.5-.5-7.5-5.5z" />
      <path class="portrait-thing" d="M16 26c0-11 6-16 16-16s16 5 16 16z" />
      <rect class="portrait-cuff" x="14.5" y="21.5" width="35" height="6.5" rx="3.25" />
      <circle class="portrait-cuff" cx="32" cy="9.5" r="3.5" />
    </Head>
  );
}

/** The family's computer, which has feelings, too. */
function Computer({ feeling }: { feeling: Feeling | null }) {
  return (
    <>
      <path class="portrait-thing" d="M27 50h10l2 8H25z" />
      <rect class="portrait-thing" x="19" y="56" width="26" height="4" rx="2" />
      <rect class="portrait-thing" x="8" y="13" width="48" height="38" rx="5" />
      <rect class="portrait-screen" x="12" y="17" width="40" height="30" rx="2.5" />
      <FaceOf feeling={feeling} />
    </>
  );
}

/** Somebody the node's operator added. */
function Somebody({ feeling }: { feeling: Feeling | null }) {
  return (
    <Head feeling={feeling}>
      <path class="portrait-hair" d="M17 31c-1-12 5-19 15-19s16 7 15 19c-2-6-6-9-15-9s-13 3-15 9z" />
    </Head>
  );
}

const people: Record<string, typeof Somebody> = { alex: Alex, sarah: Sarah, jake: Jake, computer: Computer };

type Props = { user_id: string; index: number; feeling: Feeling | null };

/** Decoration: who it is and how they feel stands beside it in words. */
export function Portrait({ user_id, index, feeling }: Props) {
  const Person = people[user_id] ?? Somebody;
  return (
    <svg class={`portrait ${userClass(index)}`} viewBox="0 0 64 64" aria-hidden="true" data-feeling={feeling ?? ""}>
      <clipPath id={`portrait-${user_id}`}>
        <circle cx="32" cy="32" r="32" />
      </clipPath>
      <g clip-path={`url(#portrait-${user_id})`}>
        <rect class="portrait-ground" width="64" height="64" />
        <Person feeling={feeling} />
      </g>
    </svg>
  );
}

/** The colour of a user: six of them, then from the start again. */
export function userClass(index: number): string {
  return `user-${index % 6}`;
}
