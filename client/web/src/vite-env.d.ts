// What the build defines.

/** The page's version, from package.json. */
declare const PAGE_VERSION: string;
